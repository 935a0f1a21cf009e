"""H&E tumour-infiltrating lymphocytes by machine learning, and marker immunohistochemistry."""
