"""What bench/run is made of: servers and their peers as processes, load, figures and one module for each item."""
