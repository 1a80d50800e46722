package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// EnvPrefix is in front of every key in the environment.
const EnvPrefix = "CHATBELL_"

// maxFile bounds the configuration file: a thousand networks are far below it.
const maxFile = 16 << 20

// document is what was given: the file's nodes, with those of the environment and the
// flags laid over them.
type document struct {
	root  *yaml.Node
	file  string
	laid  map[*yaml.Node]origin // nodes that are not the file's
	names map[string]bool       // environment variables that the file names as env:NAME
	nodes int
}

// readFile reads the configuration file. Its errors say what to do.
func readFile(problems *Problems, path string) *document {
	read := &document{root: &yaml.Node{Kind: yaml.MappingNode}, file: path, laid: map[*yaml.Node]origin{}, names: map[string]bool{}}
	if path == "" {
		return read
	}
	data, err := readBounded(path, maxFile)
	if err != nil {
		detail, mend := fileError(err)
		if errors.Is(err, fs.ErrNotExist) {
			mend = "give the path of a configuration after --config; \"chatbell check-config --example\" prints one to begin with, and without --config the defaults hold"
		}
		problems.add(origin{file: path}, "", detail, mend)
		return read
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return read // nothing in it
	case err != nil:
		problems.addSyntax(path, string(data), err)
		return read
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		problems.add(origin{file: path}, "", "holds more than one YAML document", "keep one, and remove the line ---")
		return read
	}
	switch top := doc.Content[0]; {
	case top.Kind == yaml.MappingNode:
		read.root = top
	case !isNull(top):
		problems.add(origin{file: path, line: top.Line}, "", "must hold keys with values", "write them like listen: 127.0.0.1:8080")
	}
	read.collectNames(read.root, 0)
	return read
}

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// addSyntax tells what the YAML library says, with its line in our form.
func (p *Problems) addSyntax(file, text string, err error) {
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	place := origin{file: file}
	if match := yamlLine.FindStringSubmatch(said); match != nil {
		place.line, _ = strconv.Atoi(match[1]) // digits
		said = strings.TrimPrefix(said, match[0])
	}
	mend := "compare the line and the one before it with the example that \"chatbell check-config --example\" prints"
	if lines := strings.Split(text, "\n"); place.line > 0 && place.line <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[place.line-1], " "), "\t") {
		mend = "indent with spaces, not with tabs"
	}
	p.add(place, "", "is not YAML: "+said, mend)
}

// maxNesting is deeper than any key.
const maxNesting = 64

// collectNames counts nodes, and notes the environment variables that hold secrets of
// the file: they are no keys, although their names may look so.
func (d *document) collectNames(n *yaml.Node, depth int) {
	if d.nodes++; depth > maxNesting {
		return
	}
	if name, ok := strings.CutPrefix(n.Value, "env:"); ok && n.Kind == yaml.ScalarNode {
		d.names[name] = true
	}
	for _, c := range n.Content { // an alias has none: its anchor is visited where it stands
		d.collectNames(c, depth+1)
	}
}

// reservedEnv are variables with our prefix that are not configuration: the commands'
// own (contract §3).
var reservedEnv = map[string]bool{"CHATBELL_SERVER": true, "CHATBELL_KEY": true}

// kubernetesEnv are what Kubernetes sets in every container for a service that is named
// chatbell.
var kubernetesEnv = regexp.MustCompile(`^CHATBELL_(SERVICE_(HOST|PORT(_.*)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// layEnv lays the environment over the file: a name is the key in capitals, levels are
// joined by __. Empty variables count as not set, because that is how containers pass
// on what nobody set.
func (d *document) layEnv(problems *Problems, env []string) {
	for _, entry := range env {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, EnvPrefix) {
			d.collectNames(scalar(value), 0)
		}
	}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, EnvPrefix) || value == "" || reservedEnv[name] || d.names[name] || kubernetesEnv.MatchString(name) {
			continue
		}
		path := strings.Split(strings.ToLower(strings.TrimPrefix(name, EnvPrefix)), "__")
		d.layVariable(problems, path, name, value)
	}
}

// environment stands before a variable's name in origins.
const environment = "environment variable "

func (d *document) layVariable(problems *Problems, path []string, name, value string) {
	place := origin{source: environment + name}
	key := strings.Join(path, ".")
	here := shape()
	for i, part := range path {
		if here.list {
			problems.add(place, key, "names an element of the list "+strings.Join(path[:i], "."),
				"elements of lists are given in the configuration file")
			return
		}
		next, ok := here.child(part)
		if !ok {
			problems.add(place, key, "there is no key "+strings.Join(path[:i+1], "."), here.suggest(part))
			return
		}
		here = next
	}
	node := scalar(value)
	if here.structured || strings.HasPrefix(strings.TrimSpace(value), "[") { // written as YAML
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err != nil || len(doc.Content) == 0 {
			problems.add(place, key, "must be written as YAML", "write it like [1s, 5s] or {initial: 1s}")
			return
		}
		node = doc.Content[0]
	}
	d.lay(node, path, place)
}

// layFlag lays a flag's value over everything.
func (d *document) layFlag(key, value string) {
	d.lay(scalar(value), []string{key}, origin{source: "flag --" + key})
}

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// lay sets a key. Groups on the way are made, or copied: what an anchor names may be
// used elsewhere, too. Where the file has something else than a group it stays, and is
// told as a mistake.
func (d *document) lay(n *yaml.Node, path []string, from origin) {
	d.laid[n] = from
	group := d.root
	for _, part := range path[:len(path)-1] {
		i := indexOf(group, part)
		switch {
		case i < 0:
			next := &yaml.Node{Kind: yaml.MappingNode}
			d.laid[next] = from
			group.Content = append(group.Content, scalar(part), next)
			group = next
			continue
		case isNull(group.Content[i]):
			group.Content[i] = &yaml.Node{Kind: yaml.MappingNode, Line: group.Content[i].Line}
		case group.Content[i].Kind == yaml.AliasNode:
			copied := *group.Content[i].Alias
			copied.Content = slices.Clone(copied.Content)
			group.Content[i] = &copied
		}
		if group = group.Content[i]; group.Kind != yaml.MappingNode {
			return
		}
	}
	last := path[len(path)-1]
	if i := indexOf(group, last); i >= 0 {
		group.Content[i] = n
		return
	}
	group.Content = append(group.Content, scalar(last), n)
}

// indexOf finds the value of a key in a group; -1 when it is not there.
func indexOf(group *yaml.Node, key string) int {
	for i := 0; i+1 < len(group.Content); i += 2 {
		if group.Content[i].Value == key {
			return i + 1
		}
	}
	return -1
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

var errTooLarge = errors.New("is too large")

// readBounded reads a file that should be small.
func readBounded(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: more than %s", errTooLarge, Size(most))
	}
	return data, nil
}

// fileError says for people why a file cannot be used.
func fileError(err error) (detail, mend string) {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file", "put it there, or correct the path"
	case errors.Is(err, fs.ErrPermission):
		return "cannot be read: permission denied", "let the user who runs chatbell read it"
	case errors.Is(err, errTooLarge):
		return err.Error(), "check that it is the right file"
	case errors.As(err, &path):
		return "cannot be read: " + path.Err.Error(), "check that it is a file"
	}
	return "cannot be read: " + err.Error(), "check that it is a file"
}
