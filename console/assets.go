package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assetFiles embed.FS

// assets are the scripts and styles by name. Their paths contain their checksums, so that a
// browser may keep them.
type assets map[string]asset

type asset struct {
	path string // checksum and name
	data []byte
}

func readAssets() (assets, error) {
	all := assets{}
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		ext := path.Ext(name)
		if err != nil || d.IsDir() || ext != ".js" && ext != ".css" && ext != ".svg" {
			return err
		}
		data, err := assetFiles.ReadFile(name)
		sum := sha256.Sum256(data)
		all[path.Base(name)] = asset{path: hex.EncodeToString(sum[:6]) + "/" + path.Base(name), data: data}
		return err
	})
	return all, err
}

func (a assets) path(name string) string {
	found, ok := a[name]
	if !ok {
		panic(fmt.Sprintf("console: no asset %s", name)) // a template names it, and a test renders all
	}
	return found.path
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a[path.Base(r.URL.Path)]
	if !ok || !strings.HasSuffix(r.URL.Path, "/"+found.path) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, path.Base(found.path), time.Time{}, bytes.NewReader(found.data))
}
