"""A self-hosted expense service for households and small companies."""
