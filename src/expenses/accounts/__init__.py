"""Who may come in: accounts, passwords, API tokens and page sessions. It knows nothing of workspaces."""
