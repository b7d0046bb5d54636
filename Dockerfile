# The publisher alone in an image: the static program, the authorities that it trusts, and its folders. No shell, no package manager.
#
#     docker build --tag amazon-cloudwatch-publisher .
#     docker run --volume "$PWD/my.json:/opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json:ro" \
#         --volume publisher-state:/opt/aws/amazon-cloudwatch-publisher/var amazon-cloudwatch-publisher
#
# The state, that is, what is sent and what still waits, belongs into a volume. Log files of the host have to be mounted, and the
# user 65532 has to be able to read them; metrics of the host need its /proc, so `--pid=host --network=host`.
#
# scripts/release puts a program that is built already in the place of the first stage, by `--build-context built=FOLDER`.
ARG RUST=1.95
FROM docker.io/library/rust:${RUST}-alpine AS built
RUN apk add --no-cache ca-certificates gcc make musl-dev
WORKDIR /source
COPY . .
# As scripts/dist builds it, but for what this linker cannot do.
RUN RUSTFLAGS="-C force-unwind-tables=no" CFLAGS="-fno-asynchronous-unwind-tables -fno-unwind-tables" \
    cargo build --profile dist --locked --bin amazon-cloudwatch-publisher \
    && packages/image/assemble target/dist/amazon-cloudwatch-publisher /etc/ssl/certs/ca-certificates.crt /image

FROM scratch
COPY --from=built /image/root/ /
COPY --from=built --chown=65532:65532 /image/own/ /opt/aws/amazon-cloudwatch-publisher/
# cwpublisher. By number, so that orchestrators see that it is not root.
USER 65532:65532
# `status` asks the daemon over its socket in the state folder.
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher", "status"]
ENTRYPOINT ["/opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher"]
CMD ["run"]
