# Sourced by the scripts that start a Docker engine.

# start_engine DIR starts an engine that writes only to DIR, whose path must be short, and returns when it answers. It sets
# DOCKER_HOST and engine_pid. If the engine cannot run here it returns 1, and engine_problem is the reason.
start_engine() {
	local dir=$1
	export DOCKER_HOST="unix://$dir/sock"
	"${DOCKERD:-dockerd}" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "$DOCKER_HOST" \
		--bridge=none --iptables=false --ip6tables=false --storage-driver vfs >"$dir/engine.log" 2>&1 &
	engine_pid=$!
	for _ in $(seq 1200); do
		if [[ -S $dir/sock ]] && docker version >"$dir/version.log" 2>&1; then return; fi
		kill -0 "$engine_pid" 2>/dev/null || break
		sleep 0.1
	done
	engine_problem=$(tail -n 3 "$dir/engine.log")
	kill "$engine_pid" 2>/dev/null || true
	return 1
}
