"""The model's own small venv."""
