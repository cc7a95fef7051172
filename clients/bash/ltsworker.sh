# A client of an ltsworker pool, to be sourced by bash. It needs redis-cli 7 and jq. See ../README.md.
#
#   outcome=$(lts_call sum '[1,2]' timeout_ms=1000) && jq .result <<<"$outcome"
#
# Environment: LTS_REDIS (redis://127.0.0.1:6379), LTS_POOL (default).
lts_redis() { redis-cli -e --no-auth-warning -u "${LTS_REDIS:-redis://127.0.0.1:6379}" "$@"; }
lts_key() { echo "lts:{${LTS_POOL:-default}}:$1"; }

# lts_enqueue KIND PAYLOAD [NAME=VALUE]... pushes a task and prints its id. PAYLOAD is JSON, and so is the value of an
# option that is not a name. After an error, push it again with the same id: only one task is made.
lts_enqueue() {
	local entry='' option value id
	id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') # unless an option sets it
	for option in "kind=$1" "${@:3}"; do
		value=${option#*=}
		case $option in
		id=*) id=${value//\"/\\\"} && continue ;;
		kind=* | queue=* | group=* | unique=* | backoff=*) value=$(jq -n --arg v "$value" '$v') || return ;;
		esac
		entry+=",\"${option%%=*}\":$value"
	done
	printf '{"id":"%s"%s,"payload":%s}' "$id" "$entry" "$2" | lts_redis -x RPUSH "$(lts_key inbox)" >/dev/null &&
		echo "$id"
}

# lts_wait ID [SECONDS] removes and prints the outcome of a task with reply=true. It returns 2 if the entry was
# rejected and 1 if there is no outcome. BLMOVE KEY KEY LEFT RIGHT would keep it.
lts_wait() {
	local item
	item=$(lts_redis BLPOP "$(lts_key "reply:$1")" "${2:-30}") || return 1
	if [[ ! $item ]]; then echo "$1 has no outcome after ${2:-30} s" >&2 && return 1; fi
	printf '%s\n' "${item#*$'\n'}" # after the name of the key
	[[ ! ${item#*$'\n'} =~ ^\{\"id\":\"[^\"]*\",\"state\":\"rejected\" ]] || return 2
}

# lts_call KIND PAYLOAD [NAME=VALUE]... pushes a task and waits 30 seconds for its outcome.
lts_call() {
	local id
	id=$(lts_enqueue "$@" reply=true) && lts_wait "$id"
}

# lts_group GROUP creates a group at the end of the stream.
lts_group() {
	local answer
	answer=$(lts_redis XGROUP CREATE "$(lts_key events)" "$1" '$' MKSTREAM 2>&1) || [[ $answer == BUSYGROUP* ]] ||
		{ echo "$answer" >&2 && false; }
}

# lts_events GROUP CONSUMER COMMAND [IDLE] creates the group and runs the command with each event as a JSON object. It
# returns when the command fails, with its status, and after IDLE seconds without entries.
lts_events() {
	local stream reported='' page line
	stream=$(lts_key events) && lts_group "$1" || return
	while :; do
		page=$(lts_redis --json XINFO GROUPS "$stream" &&
			lts_redis --json XAUTOCLAIM "$stream" "$1" "$2" 60000 0-0 COUNT 100 &&
			lts_redis --json XREADGROUP GROUP "$1" "$2" COUNT 100 BLOCK $((${4:-5} * 1000)) STREAMS "$stream" '>' &&
			lts_redis --json HGET "$(lts_key meta)" events:trimmed) || return
		page=$(jq -rcs --arg group "$1" --arg reported "$reported" "$LTS_SPLIT" <<<"$page") || return
		while read -r -u 3 line; do
			case $line in
			ack*) lts_redis XACK "$stream" "$1" "${line#* }" >/dev/null || return ;; # after its last event
			missed*) reported=${line#* } && "$3" '{"id":"","state":"missed"}' || return ;; # read the tasks instead
			idle) if [[ ${4:-} ]]; then return; fi ;;
			*) "$3" "$line" || return ;;
			esac
		done 3<<<"$page"
	done
}

# Reads a page: groups, entries left by dead consumers, new entries, events:trimmed. Prints a line for each event.
# shellcheck disable=SC2016
LTS_SPLIT='
def position: split("-") | map("0" * (20 - length) + .);
def is_column: IN("v", "attempt", "replica", "at", "wait_ms", "run_ms", "group");
(.[0][] | select(.name == $group) | .["last-delivered-id"]) as $before | (.[3] // "0-0") as $trimmed
| if (.[1][2] | length) > 0 or ($trimmed != $reported and ($before | position) < ($trimmed | position))
  then "missed \($trimmed)" else empty end,
((.[1][1] + [.[2] // {} | .[][]]) | if . == [] then "idle" else .[] | . as [$at, $flat]
  | ([range(0; $flat | length; 2) as $i | {($flat[$i]): $flat[$i + 1]}] | add) as $fields
  | (($fields.ids // "") / " " - [""] | to_entries[] as {key: $i, value: $id} | $fields + {id: $id} | del(.ids)
    | with_entries(if .key | is_column then .value |= (. / " " | .[[$i, length - 1] | min]) else . end
      | select(.value != "-" or (.key | is_column | not)))), # one value for all ids or one per id; "-" is none
  "ack \($at)" end)'
