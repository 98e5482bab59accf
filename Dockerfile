# The sandbox in a container, for machines that are not Debian or where you are not root: see docker-compose.yml.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates make && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/job-submitter
COPY . .
# Packages and Python environment belong into the image, the running grid does not: it is made when the container starts.
RUN sandbox/bootstrap.sh install
CMD ["sandbox/foreground.sh"]
