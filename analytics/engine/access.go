package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The engine knows one user only, so that who may do what is a matter of roles. Every
// connection begins with all of them; an analyst's gives up all but one before it hears
// of the query, and the statement that would take them back is none that only reads.
const (
	writerRole  = "writer"
	analystRole = "analyst"
)

// systemTables are the tables of the database system that analysts may read: what clients
// ask for when they connect, draw a tree of tables and complete what is typed. The list
// is short on purpose. A read can be more than a read: system.stack_trace sends a signal
// to every thread of the process, which Go's small stacks do not survive.
var systemTables = []string{
	"one", "numbers", "numbers_mt", "zeros", "zeros_mt",
	"databases", "tables", "columns", "parts", "parts_columns", "data_skipping_indices", "projections", "dictionaries", "clusters",
	"functions", "aggregate_function_combinators", "table_functions", "table_engines", "database_engines", "formats",
	"data_type_families", "settings", "merge_tree_settings", "keywords", "completions", "collations", "time_zones",
	"current_roles", "enabled_roles",
}

// ownTables are those that we ask ourselves. They are there, and empty for analysts.
var ownTables = []string{
	"processes", // KILL QUERY looks a query up in it
}

// The names of the files that tell the engine its roles, in the data folder.
const (
	configFile = "engine.xml"
	usersFile  = "users.xml"
)

// writeAccess writes the engine's configuration: the roles, and the rows that analysts do
// not see. It is made anew at each start, so that a new version's rules hold at once.
func writeAccess(dir string) error {
	config := "<clickhouse><users_config>" + usersFile + "</users_config></clickhouse>\n"
	for name, text := range map[string]string{configFile: config, usersFile: users()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the ClickHouse engine's configuration: %w", err)
		}
	}
	return nil
}

// users is the engine's users.xml.
func users() string {
	var out strings.Builder
	out.WriteString("<!-- Made by chatbell at each start. -->\n<clickhouse>\n<profiles><default/></profiles>\n<quotas><default/></quotas>\n<roles>\n")
	role := func(name string, grants ...string) {
		out.WriteString("<" + name + "><grants>\n")
		for _, grant := range grants {
			out.WriteString("<query>GRANT " + grant + "</query>\n")
		}
		out.WriteString("</grants></" + name + ">\n")
	}
	role(writerRole, "ALL ON *.* WITH GRANT OPTION")
	role(analystRole, analystGrants()...)
	out.WriteString("</roles>\n<users><default>\n<no_password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\n")
	out.WriteString("<grants><query>GRANT " + writerRole + ", " + analystRole + "</query></grants>\n<databases><system>\n")
	for _, table := range ownTables {
		out.WriteString("<" + table + "><filter>has(currentRoles(), '" + writerRole + "')</filter></" + table + ">\n")
	}
	out.WriteString("</system></databases>\n</default></users>\n</clickhouse>\n")
	return out.String()
}

// analystGrants is what follows the word GRANT.
func analystGrants() []string {
	grants := []string{"SHOW, SELECT ON " + database + ".*", "SHOW, SELECT ON information_schema.*", "SHOW, SELECT ON INFORMATION_SCHEMA.*"}
	for _, table := range systemTables {
		grants = append(grants, "SHOW, SELECT ON system."+table)
	}
	return grants
}

// narrow takes away, for everybody and until the engine is opened again, the tables of
// the database system that nobody here has to read: the engine lets every user read all
// of them, whatever is granted. What is not there cannot be reached by any name.
func narrow(link *conn) (hidden []string, err error) {
	names, err := link.text("SELECT name FROM system.tables WHERE database = 'system'")
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse for its tables: %w", err)
	}
	for name := range strings.Lines(names) {
		name = strings.TrimSpace(name)
		if slices.Contains(systemTables, name) || slices.Contains(ownTables, name) {
			continue
		}
		if err := link.run("DETACH TABLE system." + quoteName(name)); err != nil {
			return nil, fmt.Errorf("close ClickHouse's system tables: %w", err)
		}
		hidden = append(hidden, name)
	}
	return hidden, nil
}
