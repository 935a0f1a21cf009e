from palbo_assets.cli import app

app()
