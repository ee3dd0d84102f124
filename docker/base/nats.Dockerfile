# Stands in for the official nats image where no registry is reached: Debian's package, and a
# busybox for the `wget` of the health check.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
      nats-server busybox > /dev/null \
 && ln -s /bin/busybox /usr/local/bin/wget \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/locale
EXPOSE 4222 8222
CMD ["nats-server"]
