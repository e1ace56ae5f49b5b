"""The application that `uvicorn main:app` serves."""

from expenses.app import create_app

app = create_app()
