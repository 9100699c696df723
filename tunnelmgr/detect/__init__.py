"""What kind of network is this, and which method suits it."""
