# The binary is static and the image holds nothing but it, the CA certificates (for callbacks over https and Redis over
# TLS) and an empty data directory. There is no shell and no curl in it: the binary asks for its own health.
#
#   docker build -t lightpush .
#   docker run -p 21314:21314 -v lightpush-data:/data lightpush --listen :21314      everything in one process
#   docker run … lightpush connector                                                 one role; see docker-compose.yml

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/lightpush ./cmd/lightpush
RUN mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/lightpush /lightpush
# Owned by the user below, and so is a named volume that is mounted here.
COPY --from=build --chown=65532:65532 /out/data /data
ENV LIGHTPUSH_DATA_DIR=/data LIGHTPUSH_LOG_FORMAT=json
USER 65532:65532
EXPOSE 21314 56789
# For everything in one process on its default port. A single role, or another port, needs its own: see
# docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/lightpush", "health"]
ENTRYPOINT ["/lightpush"]
