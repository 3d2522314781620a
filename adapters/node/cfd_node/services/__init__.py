"""The parts of a node that run for as long as it does, each as a service for the supervisor."""
