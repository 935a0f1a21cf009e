"""How a file gets in: recognise, verify, admit or quarantine, and tell the lab."""
