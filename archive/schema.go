package archive

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ErrNewerSchema is returned when a newer version of the program has changed the schema
// of the archive. Use that version.
var ErrNewerSchema = errors.New("the schema of the archive is newer than this program; use the newer program")

// ErrNoArchive is returned when there is no archive to read. An Archiver makes it.
var ErrNoArchive = errors.New("there is no archive; ltsworker archive run makes it")

//go:embed migrations
var migrations embed.FS

// migration is a step of the schema. Released steps never change; a change of the schema
// is another step.
type migration struct {
	version int
	file    string
}

// steps returns the migrations of a dialect in their order.
func steps(dialect string) ([]migration, error) {
	files, err := fs.Glob(migrations, path.Join("migrations", dialect, "*.sql"))
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, f := range files {
		number, _, _ := strings.Cut(path.Base(f), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", f, err)
		}
		list = append(list, migration{version, f})
	}
	slices.SortFunc(list, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	return list, nil
}

// migrate brings the schema to the newest version, in one transaction. Of several
// programs that start at the same time one does it and the others wait.
func (db *DB) migrate(ctx context.Context) error {
	list, err := steps(db.name)
	if err != nil {
		return err
	}
	return db.transact(ctx, func(tx *tx) error {
		if db.lock != "" {
			if _, err := tx.exec(ctx, db.lock); err != nil {
				return err
			}
		}
		if _, err := tx.exec(ctx, "CREATE TABLE IF NOT EXISTS lts_schema (version BIGINT PRIMARY KEY)"); err != nil {
			return err
		}
		var at int
		if err := tx.row(ctx, "SELECT COALESCE(MAX(version), 0) FROM lts_schema").Scan(&at); err != nil {
			return err
		}
		if at > list[len(list)-1].version {
			return ErrNewerSchema
		}
		for _, m := range list {
			if m.version <= at {
				continue
			}
			text, err := migrations.ReadFile(m.file)
			if err != nil {
				return err
			}
			for statement := range strings.SplitSeq(string(text), ";\n") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if _, err := tx.exec(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", m.file, err)
				}
			}
			if _, err := tx.exec(ctx, "INSERT INTO lts_schema (version) VALUES (?)", m.version); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkVersion returns an error unless this program can read the archive.
func (db *DB) checkVersion(ctx context.Context) error {
	list, err := steps(db.name)
	if err != nil {
		return err
	}
	if err := db.sql.PingContext(ctx); err != nil {
		return err
	}
	var at int
	newest := list[len(list)-1].version
	switch err := db.sql.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM lts_schema").Scan(&at); {
	case err != nil && db.missing(err):
		return ErrNoArchive
	case err != nil:
		return err
	case at > newest:
		return ErrNewerSchema
	case at < newest:
		return errors.New("the schema of the archive is older than this program; ltsworker archive run updates it")
	}
	return nil
}
