"""The web room: stores what the engine finds, shows it, asks people, and keeps the record."""
