package console

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

//go:embed lang
var langFiles embed.FS

// texts returns the texts of the pages by language and key. The first call parses them, which takes milliseconds; most
// commands need none.
var texts = sync.OnceValue(readTexts)

func readTexts() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, lang := range []string{"en", "zh"} {
		raw, err := langFiles.ReadFile("lang/" + lang + ".json")
		m := map[string]string{}
		if err == nil {
			err = json.Unmarshal(raw, &m)
		}
		if err != nil {
			panic(fmt.Sprintf("console: texts of %s: %v", lang, err)) // embedded, and read by a test
		}
		all[lang] = m
	}
	return all
}

// translate returns the text of a key with the arguments in place of {0}, {1} … A key without a
// text is returned as it is.
func translate(lang, key string, args ...any) string {
	text, ok := texts()[lang][key]
	if !ok {
		return key
	}
	for i, a := range args {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), fmt.Sprint(a))
	}
	return text
}
