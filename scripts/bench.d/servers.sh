# shellcheck shell=bash disable=SC2034,SC2154 # variables go between this and whoever sources it
# Servers to measure, or to learn from: an application, nginx and Anteroom on loopback, from generated files.
#
# Sourced. Whoever does so has `set -euo pipefail`, stands in the project's root, and says in `binary` which Anteroom is meant.
# `begin` makes the directory `work`; everything that is started ends with the shell, and the directory goes with it.

access_log=${ACCESS_LOG:-on}
entity_id=urn:example:anteroom:bench
email=load@bench.example
# NAME|PID|URL|HEADER LINE|… of all that was started.
targets=()
pids=()

# begin: makes the directory `work` with what is served, certificates and the metadata of an identity provider.
begin() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/anteroom-bench.XXXXXX")
  trap finish EXIT
  # Started as root, servers read files as somebody else, who may pass through here but not look around.
  chmod 711 "$work"
  mkdir "$work/site"
  head -c 1024 /dev/zero | tr '\0' x >"$work/site/1k"
  head -c 65536 /dev/zero | tr '\0' x >"$work/site/64k"
  truncate -s 1000000000 "$work/site/1g"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/tls.key" -out "$work/tls.crt" \
    -subj /CN=app.localhost -addext subjectAltName=DNS:app.localhost -days 2 2>/dev/null
  python3 scripts/bench.d/identity_provider.py metadata "$work" >"$work/metadata.xml"
  upstream_port=$(free_port) decisions_port=$(free_port)
}

# stop: ends everything that was started, and waits for it.
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  pids=()
}

finish() {
  stop
  rm -rf "$work"
}

# install PROBE=PACKAGE…: installs the packages whose file is not there, or names them and ends.
install() {
  local need missing=()
  for need in "$@"; do
    [ -e "${need%%=*}" ] || missing+=("${need#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Please install these packages first: ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]}" >&2
  apt-get update -qq >&2 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# await_port PORT LOG: waits until something listens there; shows the log if nothing ever does.
await_port() {
  for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    sleep 0.1
  done
  cat "$2" >&2
  exit 1
}

# start_nginx NAME PORT 'LISTEN OPTIONS' 'CONFIGURATION OF THE SERVER': an nginx of its own, in the foreground, a worker
# per core, logging in batches as operators have it.
start_nginx() {
  local name=$1 port=$2 listen=$3 server=$4 log="$work/$1/access.log combined buffer=32k flush=1s"
  # A connection of a client has 1,000 requests, which is nginx's own default and Anteroom's; behind them nothing changes.
  local requests=1000
  case $name in application | decisions) log=off requests=1000000000 ;; esac
  if [ "$access_log" = off ]; then log=off; fi
  mkdir -p "$work/$name"
  cat >"$work/$name.conf" <<CONF
worker_processes auto;
pid $work/$name/pid;
error_log $work/$name/error.log;
daemon off;
events { worker_connections 8192; }
http {
  access_log $log;
  ssl_protocols TLSv1.2 TLSv1.3;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  keepalive_requests $requests;
  client_body_temp_path $work/$name; proxy_temp_path $work/$name; fastcgi_temp_path $work/$name;
  uwsgi_temp_path $work/$name; scgi_temp_path $work/$name;
  proxy_http_version 1.1;
  proxy_set_header Connection '';
  proxy_set_header Host \$host;
  proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
  proxy_max_temp_file_size 0;
  upstream application { server 127.0.0.1:$upstream_port; keepalive 256; keepalive_requests 1000000000; }
  upstream decisions { server 127.0.0.1:$decisions_port; keepalive 256; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:$port reuseport backlog=4096 $listen; $server }
}
CONF
  nginx -e "$work/$name/error.log" -c "$work/$name.conf" &
  pids+=($!)
  await_port "$port" "$work/$name/error.log"
}

# start_anteroom NAME SCHEME: an Anteroom with a store of its own, and a session.
start_anteroom() {
  local name=$1 scheme=$2 home=$work/$1 port ops_port url pid cookie
  port=$(free_port) ops_port=$(free_port)
  url=$scheme://app.localhost:$port
  mkdir "$home"
  cat >"$home/anteroom.toml" <<CONF
[app]
url = "$url"
upstreams = ["http://127.0.0.1:$upstream_port"]

[saml]
entity_id = "$entity_id"
acs_url = "$url/saml2/idpresponse"

[listen]
public = "127.0.0.1:$port"
ops = "127.0.0.1:$ops_port"
# All of them come from this one machine.
connections_per_address = 0
$([ "$scheme" = http ] || printf 'tls = { certificate = "%s/tls.crt", key = "%s/tls.key" }' "$work" "$work")

[store]
url = "sqlite:anteroom.db"
secret_file = "anteroom.secret"

[[organization]]
id = "bench"
name = "Bench"
domains = ["bench.example"]
metadata = "../metadata.xml"
CONF
  ANTEROOM_ACCESS_LOG=$access_log "$binary" serve --config "$home/anteroom.toml" >"$home/log" 2>&1 &
  pid=$!
  pids+=("$pid")
  await_port "$port" "$home/log"
  echo "$name: $(awk '/^VmRSS/ {print $2}' "/proc/$pid/status") KiB resident after the start" >&2
  "$binary" user add "$email" --config "$home/anteroom.toml" --organization bench --level viewer --property '*' >&2
  cookie=$(python3 scripts/bench.d/identity_provider.py sign-on "$work" "$url" "$entity_id" "$email")
  targets+=("$name|$pid|$scheme://127.0.0.1:$port|Host: app.localhost:$port|Cookie: $cookie")
}
