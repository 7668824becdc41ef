"""The source `docker-engine`: the images of a Docker Engine, what they are based on, their names, and the containers
that use them. Docker Engine API 1.24 and later, through the `docker` package.
"""
