"""The views of the microscope: each asks the network why in its own way."""
