package alert

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wording has the texts of a language.
type wording struct {
	title, comma, colon, aside string
	units                      units
	states                     map[NoticeState]string // with a count
	severities                 map[Severity]string
	labels                     map[string]string
	conditions                 map[Condition]string
	since, lasted, before      string
	removed, changed           string
	again, detail              string
	andMore, test, testBy      string
	silenceOver, endedBy       string
	stillFiring, nothingFires  string
	recovered                  string
}

// condition describes the value of a notice. {v} stands for the value, {t} for the threshold, {w}
// for the window. [task|tasks] has the words for the value 1 and for others.
func (w *wording) condition(n *Notice, duration func(time.Duration) string) string {
	text := inNumber(w.conditions[n.When], math.Floor(n.Value) == 1)
	return strings.NewReplacer("{v}", formatValue(n.When, n.Value, duration), "{t}", formatValue(n.When, n.Threshold, duration), "{w}", duration(n.Window)).Replace(text)
}

// inNumber chooses from the alternatives in a text, such as [task|tasks], those for one or for more.
func inNumber(text string, one bool) string {
	return oneOrMore.ReplaceAllStringFunc(text, func(words string) string {
		single, plural, _ := strings.Cut(words[1:len(words)-1], "|")
		if one {
			return single
		}
		return plural
	})
}

// count returns a number of notices with their state.
func (w *wording) count(state NoticeState, n int) string {
	return strings.ReplaceAll(inNumber(w.states[state], n == 1), "%d", strconv.Itoa(n))
}

// oneOrMore matches the words for one and for more, such as [task|tasks].
var oneOrMore = regexp.MustCompile(`\[[^|\]]*\|[^\]]*\]`)

func (w *wording) unsilenced(n *Notice) string {
	text := w.silenceOver
	if n.Silence != nil {
		text += w.colon + n.Silence.text(w)
		if n.Silence.EndedBy != "" {
			text += w.comma + fmt.Sprintf(w.endedBy, n.Silence.EndedBy)
		}
		if n.Silence.Reason != "" {
			text += fmt.Sprintf(w.aside, n.Silence.Reason)
		}
	}
	if n.Firing > 0 {
		text += w.comma + strings.ReplaceAll(inNumber(w.stillFiring, n.Firing == 1), "%d", strconv.Itoa(n.Firing))
	} else {
		text += w.comma + w.nothingFires
	}
	if n.Recovered > 0 {
		text += w.comma + fmt.Sprintf(w.recovered, n.Recovered)
	}
	return text
}

var words = map[Lang]*wording{
	English: {
		title: "ltsworker pool %s: %s", comma: ", ", colon: ": ", aside: " (%s)", units: units{"d", "h", "min", "s"},
		states:     map[NoticeState]string{StateFiring: "%d firing", StateEnded: "%d ended", StateUnsilenced: "[a silence|%d silences] ended", StateTest: "[test message|%d test messages]"},
		severities: map[Severity]string{Info: "info", Warning: "warning", Critical: "critical"},
		since:      "since %s", lasted: "recovered after %s", removed: "ended after %s, because the rule was removed", changed: "ended after %s, because the rule was changed", before: "before: %s", again: "still firing", detail: "last: %s",
		andMore: "and %d more: %s", test: "this is a test; nothing is wrong", testBy: "this is a test by %s; nothing is wrong",
		silenceOver: "silence ended", endedBy: "ended by %s", stillFiring: "%d [alert still fires|alerts still fire]", nothingFires: "nothing fires", recovered: "%d ended meanwhile",
		conditions: map[Condition]string{
			Failed:      "{v} [task|tasks] failed within {w} (limit {t})",
			FailedShare: "{v} of the tasks failed within {w} (limit {t})",
			Lost:        "{v} [attempt lost its|attempts lost their] lease within {w} (limit {t})",
			Slow:        "{v} [attempt passed its|attempts passed their] soft timeout within {w} (limit {t})",
			OldestWait:  "the oldest task has waited for {v} (limit {t})", Waiting: "{v} [task waits|tasks wait] (limit {t})",
			RunTime: "an attempt has run for {v} (limit {t})", Unserved: "{v} [task waits|tasks wait] and no replica serves the queue",
			QueuePaused: "the queue is paused and {v} [task waits|tasks wait]", PoolPaused: "the pool is paused and {v} [task waits|tasks wait]",
			GroupFull: "the limit of the group is reached and {v} [task waits|tasks wait] for it", Replicas: "{v} live [replica|replicas] (at least {t})",
			ReplicaGone: "the replica has stopped without leaving the pool", ReplicaStuck: "{v} [handler ignores|handlers ignore] a stop",
			ReplicaRefuses: "the replica takes no tasks", Outage: "a server that tasks need does not answer",
			TriggerOverdue: "the trigger has been due for {v} (limit {t})", TriggerPaused: "the trigger is paused",
			TriggerRefused: "{v} planned [time|times] got no task within {w} (limit {t})",
			Inbox:          "{v} [entry of the inbox is|entries of the inbox are] not admitted (limit {t})", Rejected: "{v} rejected [entry|entries] (limit {t})",
			ExportsFull: "no task starts because too many results wait to be saved", Subscription: "{v} of the event stream is not read (limit {t})",
			ArchiveBehind: "the archive is {v} behind (limit {t})", ArchiveOutage: "the archive is not written",
			EventsBehind: "the rules have not counted events of the last {v} (limit {t})",
			Doctor:       "{v} [finding of the doctor is an error|findings of the doctor are errors]", Watchdog: "the alert rules run",
		},
	},
	Chinese: {
		title: "ltsworker 池 %s：%s", comma: "，", colon: "：", aside: "（%s）", units: units{"天", "小时", "分钟", "秒"},
		states:     map[NoticeState]string{StateFiring: "%d 条告警", StateEnded: "%d 条结束", StateUnsilenced: "%d 个静默结束", StateTest: "%d 条测试"},
		severities: map[Severity]string{Info: "提示", Warning: "警告", Critical: "严重"},
		labels: map[string]string{"rule": "规则", "queue": "队列", "kind": "类型", "group": "分组", "replica": "工作进程", "host": "主机", "trigger": "触发器", "server": "服务器",
			"subscription": "订阅", "archive": "归档", "check": "检查项"},
		since: "自 %s", lasted: "%s后恢复", removed: "%s后结束，因为规则已删除", changed: "%s后结束，因为规则已更改", before: "此前：%s", again: "仍在告警", detail: "最近：%s",
		andMore: "另有 %d 条：%s", test: "这是测试消息，一切正常", testBy: "这是 %s 发起的测试消息，一切正常",
		silenceOver: "静默结束", endedBy: "由 %s 结束", stillFiring: "仍有 %d 条告警", nothingFires: "当前没有告警", recovered: "期间结束 %d 条",
		conditions: map[Condition]string{
			Failed:      "{w}内有 {v} 个任务失败（阈值 {t}）",
			FailedShare: "{w}内 {v} 的任务失败（阈值 {t}）",
			Lost:        "{w}内有 {v} 次尝试失去租约（阈值 {t}）",
			Slow:        "{w}内有 {v} 次尝试超过软超时（阈值 {t}）",
			OldestWait:  "最早的任务已等待 {v}（阈值 {t}）", Waiting: "{v} 个任务在等待（阈值 {t}）",
			RunTime: "一次尝试已运行 {v}（阈值 {t}）", Unserved: "{v} 个任务在等待，但没有工作进程服务该队列",
			QueuePaused: "队列已暂停，{v} 个任务在等待", PoolPaused: "池已暂停，{v} 个任务在等待",
			GroupFull: "分组已达上限，{v} 个任务因此等待", Replicas: "存活的工作进程 {v} 个（至少 {t}）",
			ReplicaGone: "工作进程未离开池就停止了", ReplicaStuck: "{v} 个处理器不响应停止请求",
			ReplicaRefuses: "工作进程不接收任务", Outage: "任务所需的服务器没有响应",
			TriggerOverdue: "触发器已到期 {v}（阈值 {t}）", TriggerPaused: "触发器已暂停",
			TriggerRefused: "{w}内有 {v} 个计划时间没有生成任务（阈值 {t}）",
			Inbox:          "收件箱中有 {v} 条未接收（阈值 {t}）", Rejected: "有 {v} 条被拒绝的条目（阈值 {t}）",
			ExportsFull: "等待保存的结果过多，任务无法启动", Subscription: "事件流的 {v} 尚未读取（阈值 {t}）",
			ArchiveBehind: "归档落后 {v}（阈值 {t}）", ArchiveOutage: "归档没有写入",
			EventsBehind: "规则尚未统计最近 {v} 的事件（阈值 {t}）",
			Doctor:       "诊断发现 {v} 个错误", Watchdog: "告警规则正在运行",
		},
	},
}
