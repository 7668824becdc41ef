"""Where images run: Docker Engines and Kubernetes clusters, asked what they have in use."""
