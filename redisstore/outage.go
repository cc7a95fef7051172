package redisstore

import (
	"encoding/json"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// maxOutageText bounds the texts of an outage, in bytes.
const maxOutageText = 512

// outageRecord is an outage in the description of a replica or of an archive.
type outageRecord struct {
	Of    string `json:"of"`
	Since int64  `json:"since"`
	Error string `json:"error"`
}

func recordOutage(o task.Outage) outageRecord {
	return outageRecord{task.CutHead(o.Of, maxOutageText), o.Since.UnixMilli(), task.CutHead(o.Error, maxOutageText)}
}

func (o outageRecord) outage() task.Outage {
	return task.Outage{Of: o.Of, Since: time.UnixMilli(o.Since), Error: o.Error}
}

// encodeOutages returns outages as a replica publishes them, "" for none.
func encodeOutages(outages []task.Outage) string {
	if len(outages) == 0 {
		return ""
	}
	var list []outageRecord
	for _, o := range outages[:min(len(outages), task.MaxOutages)] {
		list = append(list, recordOutage(o))
	}
	text, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(text)
}

// decodeOutages returns none if the text cannot be read.
func decodeOutages(text string) (outages []task.Outage) {
	var list []outageRecord
	if text == "" || json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	for _, o := range list {
		outages = append(outages, o.outage())
	}
	return outages
}
