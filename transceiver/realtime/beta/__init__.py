"""The Realtime API as it was in beta: other names for the same things. Clients ask for it; nothing else knows of it."""
