#!/usr/bin/env bash
# Enqueues a task, follows its events to the end and prints its result, with nothing but bash.
#
#   ./follow.sh ID
#
# A replica with a handler for text.upper must be running.
# Environment: REDIS_PORT (6379), LTS_POOL (default).
set -euo pipefail
export LC_ALL=C # lengths are in bytes

id=$1
pool="lts:{${LTS_POOL:-default}}"
events=$pool:events
rejected=$pool:inbox:rejected
group=follow-sh # one per service: Redis keeps how far the service has read
consumer=sh-$$  # one per process

state=
version=0 # the highest that was seen of the task
told=0-0  # up to where events are known to be trimmed

# redis WORD... sends one command and takes the reply as a flat list: item[i] is a text, a number or how many items a
# list has, and kind[i] says which by its first character in the protocol of Redis.
redis() {
	local word
	printf '*%d\r\n' $# >&3
	for word; do printf '$%d\r\n%s\r\n' ${#word} "$word" >&3; done
	item=() kind=()
	take
	if [[ ${kind[0]} == - && ${item[0]} != BUSYGROUP* ]]; then fail "$1: ${item[0]}"; fi
}

take() {
	local line text n
	IFS= read -r line <&3 || fail "the connection has ended"
	line=${line%$'\r'} n=${line:1}
	case $line in
	'$'*)
		text=
		if ((n > 0)); then IFS= read -r -d '' -n "$n" text <&3; fi
		if ((n >= 0)); then read -r <&3; fi
		kind+=('$') item+=("$text")
		;;
	'*'*)
		kind+=('*') item+=("$n")
		for (( ; n > 0; n--)); do take; done
		;;
	*) kind+=("${line:0:1}") item+=("$n") ;;
	esac
}

fail() {
	echo "$1" >&2
	exit 1
}

ended() { case $1 in succeeded | failed | stopped | expired) ;; *) false ;; esac; }

# fields FROM COUNT sets the variables new_... from a part of the reply: a name, a value, a name, and so on.
fields() {
	local i
	new_id='' new_state='' new_v=1 new_code='' new_reason='' new_task='' new_entry=''
	for ((i = $1; i < $1 + $2; i += 2)); do
		case ${item[i]} in
		id | state | v | code | reason | task | entry) printf -v "new_${item[i]}" %s "${item[i + 1]}" ;;
		esac
	done
}

# see prints the change of the task that fields found. An event that came before is passed over.
see() {
	if ((new_v <= version)); then return; fi
	version=$new_v state=$new_state
	echo "$state${new_code:+ $new_code}"
}

# entries looks at each entry of the stream in the reply, which is a list of a position and a list of fields.
entries() {
	local i done=()
	for ((i = 0; i + 2 < ${#item[@]}; i++)); do
		[[ ${kind[i]}${item[i]}${kind[i + 1]}${kind[i + 2]} == '*2$*' && ${item[i + 1]} =~ ^[0-9]+-[0-9]+$ ]] || continue
		fields $((i + 3)) "${item[i + 2]}"
		if [[ $new_id == "$id" ]]; then see; fi
		done+=("${item[i + 1]}")
	done
	# Only now: they come again if this process dies before.
	if ((${#done[@]} > 0)); then redis XACK "$events" "$group" "${done[@]}"; fi
}

# rejection finds the rejection of the entry that was pushed, and sets new_code, new_reason and new_task.
rejection() {
	local i
	redis XREVRANGE "$rejected" + "($since" COUNT 100
	for ((i = 0; i + 2 < ${#item[@]}; i++)); do
		[[ ${kind[i]}${item[i]}${kind[i + 1]}${kind[i + 2]} == '*2$*' ]] || continue
		fields $((i + 3)) "${item[i + 2]}"
		if [[ $new_entry == "$pushed" ]]; then return; fi
	done
	false
}

# before compares two positions of the stream. Their numbers go beyond what (( )) can hold.
before() { [[ $(padded "$1") < $(padded "$2") ]]; }
padded() { printf '%20s%20s' "${1%-*}" "${1#*-}"; }

exec 3<>"/dev/tcp/127.0.0.1/${REDIS_PORT:-6379}"

# The group comes before the task, so that it gets all of the task's events.
redis XGROUP CREATE "$events" "$group" '$' MKSTREAM
redis XREVRANGE "$rejected" + - COUNT 1
since=${item[2]:-0-0} # rejections up to here are not of what follows
pushed="{\"id\":\"$id\",\"kind\":\"text.upper\",\"payload\":\"from ä to z\"}"
redis RPUSH "$pool:inbox" "$pushed"

until ended "$state"; do
	if ((SECONDS > 30)); then fail "$id has not ended; is a replica running?"; fi
	redis XINFO GROUPS "$events"
	for ((i = 0; i < ${#item[@]}; i++)); do
		case ${item[i]} in
		name) name=${item[i + 1]} ;;
		last-delivered-id) if [[ $name == "$group" ]]; then place=${item[i + 1]}; fi ;;
		esac
	done
	redis XAUTOCLAIM "$events" "$group" "$consumer" 60000 0-0 COUNT 100
	deleted=${item[${#item[@]} - 1]} # 0, or the last of the deleted ones
	entries
	redis XREADGROUP GROUP "$group" "$consumer" COUNT 100 BLOCK 1000 STREAMS "$events" '>'
	quiet=$((${#item[@]} == 1)) # nothing came
	entries
	redis HGET "$pool:meta" events:trimmed
	trimmed=${item[0]:-0-0}

	# Events that nobody can read any more: what they said stands in the task itself.
	if [[ $deleted != 0 ]] || { before "$place" "$trimmed" && before "$told" "$trimmed"; }; then
		told=$trimmed
		echo "missed events"
		redis HGETALL "$pool:task:$id"
		fields 1 "${item[0]}"
		if ended "$new_state"; then see; fi
	fi

	# While nothing comes: the entry may have been rejected. A duplicate of its own id means that the task is there.
	if ((quiet)) && ! ended "$state" && rejection; then
		if [[ $new_code != duplicate || $new_task != "$id" ]]; then fail "$id was rejected: $new_reason"; fi
		redis HGETALL "$pool:task:$id"
		fields 1 "${item[0]}"
		if [[ ! $new_state ]]; then fail "$id has ended and is not kept any more"; fi
		if ended "$new_state"; then see; fi
	fi
done

# The event has a short result only, the task any.
redis HGET "$pool:task:$id" result
echo "result ${item[0]}"
