# Sourced by the scripts that start a redis-server.

# install_program DIR puts the program ltsworker into DIR, from the root of the project: a copy of LTSWORKER_PROGRAM if that
# is set, as in make test.
install_program() {
	if [[ ${LTSWORKER_PROGRAM:-} ]]; then cp "$LTSWORKER_PROGRAM" "$1/ltsworker"; else go build -o "$1/ltsworker" ./cmd/ltsworker; fi
}

# start_redis DIR starts a redis-server that writes only to DIR, and returns when it answers. It sets REDIS_PORT and redis_pid.
start_redis() {
	local dir=$1
	for _ in $(seq 10); do
		REDIS_PORT=$((20000 + RANDOM % 10000))
		"${REDIS_SERVER:-redis-server}" --port "$REDIS_PORT" --bind 127.0.0.1 --save "" --dir "$dir" >"$dir/redis.log" &
		redis_pid=$!
		# A server whose port is taken ends. Until it has ended, another server may answer at the port.
		for _ in $(seq 600); do
			kill -0 "$redis_pid" 2>/dev/null || break
			if redis-cli -p "$REDIS_PORT" INFO server 2>/dev/null | tr -d '\r' | grep -x "process_id:$redis_pid" >/dev/null; then return; fi
			sleep 0.1
		done
		kill "$redis_pid" 2>/dev/null || true
	done
	echo "redis-server did not start:" >&2
	cat "$dir/redis.log" >&2
	return 1
}
