package task

import (
	"fmt"
	"slices"
	"strings"
)

// The bounds of labels.
const (
	MaxLabels        = 8  // labels of a task
	MaxReplicaLabels = 16 // labels that a replica configures
	MaxLabelLen      = 64 // bytes of a label
)

// The beginnings of the labels that every replica has: IDLabel is followed by its id,
// HostLabel by the name of its host. A host whose name makes no valid label gives none.
const (
	IDLabel   = "id="
	HostLabel = "host="
)

// CheckLabel returns an error that says what is wrong with a label; nil if it is valid. A
// label is a name of at most MaxLabelLen bytes, such as gpu or zone=eu: see CheckName.
// Labels are equal if all their bytes are equal.
func CheckLabel(s string) error {
	switch {
	case strings.Contains(s, ","):
		return fmt.Errorf("must not contain a comma, as %q does: give two labels", Clip(s))
	case len(s) > MaxLabelLen:
		return fmt.Errorf("is %d bytes long; the limit is %d: shorten %q", len(s), MaxLabelLen, Clip(s))
	case s == IDLabel, s == HostLabel:
		return fmt.Errorf("needs a value after %q", s)
	}
	if err := CheckName(s); err != nil {
		return fmt.Errorf("%q %w", Clip(s), err)
	}
	return nil
}

// checkLabels returns what is wrong with a set of labels.
func checkLabels(labels []string, most int) error {
	if len(labels) > most {
		return fmt.Errorf("has %d labels; the limit is %d: replace some by one label that stands for them", len(labels), most)
	}
	for _, l := range labels {
		if err := CheckLabel(l); err != nil {
			return err
		}
	}
	return nil
}

// CheckReplicaLabels returns an error that says what is wrong with the labels that a replica
// configures; nil if they are valid.
func CheckReplicaLabels(labels []string) error {
	for _, l := range labels {
		if strings.HasPrefix(l, IDLabel) || strings.HasPrefix(l, HostLabel) {
			return fmt.Errorf("must not have %q: each replica has the labels %s and %s of itself", Clip(l), IDLabel, HostLabel)
		}
	}
	return checkLabels(labels, MaxReplicaLabels)
}

// CanonicalLabels returns a set of labels without repetitions, in the order in which the
// store keeps them: those that begin with IDLabel, those that begin with HostLabel, then
// the others, each sorted. It returns nil for an empty set.
func CanonicalLabels(labels []string) []string {
	if len(labels) == 0 {
		return nil
	}
	rank := func(l string) int {
		switch {
		case strings.HasPrefix(l, IDLabel):
			return 0
		case strings.HasPrefix(l, HostLabel):
			return 1
		}
		return 2
	}
	labels = slices.Clone(labels)
	slices.SortFunc(labels, func(a, b string) int {
		if r := rank(a) - rank(b); r != 0 {
			return r
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(labels)
}

// HostLabelOf returns the label of a host, "" if its name makes no valid label.
func HostLabelOf(host string) string {
	if label := HostLabel + host; CheckLabel(label) == nil {
		return label
	}
	return ""
}

// AllLabels returns the labels of a replica: those that it configures, its id and its host.
func (r *ReplicaInfo) AllLabels() []string {
	labels := slices.Clone(r.Labels)
	if host := HostLabelOf(r.Host); host != "" {
		labels = append(labels, host)
	}
	return append(labels, IDLabel+r.ID)
}

// Lacks returns the labels of a task that the replica does not have.
func (r *ReplicaInfo) Lacks(labels []string) []string {
	has := r.AllLabels()
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return slices.Contains(has, l) })
}

// Takes reports whether the replica takes tasks with these labels from their queue: it has
// all of them, and there is one if the replica is exclusive.
func (r *ReplicaInfo) Takes(labels []string) bool {
	return len(r.Lacks(labels)) == 0 && (len(labels) > 0 || !r.Exclusive)
}

// Closest returns which of the replicas of a queue come closest to taking a task with these
// labels, as a text such as "replica 3f lacks gpu"; at most three of them, "" if there are
// none. None of the replicas takes the task.
func Closest(replicas []ReplicaInfo, labels []string) string {
	fewest := MaxLabels + 1
	for i := range replicas {
		fewest = min(fewest, len(replicas[i].Lacks(labels)))
	}
	var parts []string
	more := 0
	for i := range replicas {
		r := &replicas[i]
		lacks := r.Lacks(labels)
		switch {
		case len(lacks) > fewest:
		case len(parts) == 3:
			more++
		case len(lacks) == 0:
			parts = append(parts, "replica "+r.ID+" is exclusive")
		default:
			parts = append(parts, "replica "+r.ID+" lacks "+strings.Join(lacks, " "))
		}
	}
	text := strings.Join(parts, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
