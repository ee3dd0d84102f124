# NATS as it is published, with a directory for JetStream that belongs to a user without rights.
ARG INN_NATS_IMAGE=nats:2.10-alpine
FROM ${INN_NATS_IMAGE}
USER root
RUN mkdir -p /data && chown 10001:10001 /data
USER 10001:10001
