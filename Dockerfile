# The container image: optimised by what it does under load, built with the second opinion on signatures, run without a shell, as nobody.
#
#   docker build -t anteroom .
#   docker run -p 8443:8443 -v ./conf:/etc/anteroom:ro -v anteroom-data:/var/lib/anteroom anteroom
#
# It expects /etc/anteroom/anteroom.toml, in which `store.url = "sqlite:/var/lib/anteroom/anteroom.db"` and
# `store.secret_file = "/var/lib/anteroom/anteroom.secret"` keep everything that must survive on the volume.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends libclang-dev libxml2-dev libxmlsec1-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# Optimised by what it does under load; installs what that takes.
RUN scripts/build-release --features second-opinion
# libxml2, xmlsec1 and what they need, beside the C library that the final stage has itself.
RUN mkdir -p /image/lib /image/data \
 && ldd target/optimized/anteroom \
  | awk '$3 ~ /^\// && $1 !~ /^(libc|libm|libdl|libpthread|librt|libgcc_s)\.so/ { print $3 }' \
  | xargs -I{} cp -L {} /image/lib/ \
 && cp target/optimized/anteroom /image/anteroom \
 && LD_LIBRARY_PATH=/image/lib /image/anteroom --version

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/anteroom /usr/local/bin/anteroom
COPY --from=build /image/lib /usr/local/lib/anteroom
# Owned by `nonroot` (65532), so that a new volume is writable for it.
COPY --from=build --chown=65532:65532 /image/data /var/lib/anteroom
ENV LD_LIBRARY_PATH=/usr/local/lib/anteroom
USER 65532:65532
WORKDIR /var/lib/anteroom
VOLUME /var/lib/anteroom
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/anteroom", "health", "--config", "/etc/anteroom/anteroom.toml"]
ENTRYPOINT ["/usr/local/bin/anteroom"]
CMD ["serve", "--config", "/etc/anteroom/anteroom.toml"]
