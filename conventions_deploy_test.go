package chatbell_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"chatbell/internal/config"
)

// image is deploy/Dockerfile, read as far as its promises can be checked without building it.
type image struct {
	stages []stage
}

// stage is what follows a FROM: instructions with their arguments, in order.
type stage struct {
	base, name string
	steps      [][2]string
}

// all are the arguments of an instruction.
func (s *stage) all(instruction string) (out []string) {
	for _, step := range s.steps {
		if step[0] == instruction {
			out = append(out, step[1])
		}
	}
	return out
}

// last is the argument of the last instruction of a kind: the one that counts.
func (s *stage) last(t *testing.T, instruction string) string {
	t.Helper()
	all := s.all(instruction)
	if len(all) == 0 {
		t.Fatalf("deploy/Dockerfile: the stage from %s has no %s", s.base, instruction)
	}
	return all[len(all)-1]
}

// list is an argument in the form of a JSON array.
func (s *stage) list(t *testing.T, instruction string) (out []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.last(t, instruction)), &out); err != nil {
		t.Fatalf("deploy/Dockerfile: %s is no list: %v", instruction, err)
	}
	return out
}

func readImage(t *testing.T) (img image) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "deploy/Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		instruction, argument, _ := strings.Cut(line, " ")
		if instruction == "FROM" {
			base, name, _ := strings.Cut(argument, " AS ")
			img.stages = append(img.stages, stage{base: base, name: name})
			continue
		}
		now := &img.stages[len(img.stages)-1]
		now.steps = append(now.steps, [2]string{instruction, argument})
	}
	if len(img.stages) != 2 {
		t.Fatalf("deploy/Dockerfile has %d stages, want the build and the image", len(img.stages))
	}
	return img
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The image builds from what is there, has what it needs, and does not run as root.
func TestConventionsDockerfile(t *testing.T) {
	img := readImage(t)
	build := &img.stages[0]
	final := &img.stages[1]
	left := strings.Fields(read(t, ".dockerignore"))
	for _, argument := range build.all("COPY") {
		words := strings.Fields(argument)
		for _, source := range words[:len(words)-1] {
			if _, err := os.Stat(source); err != nil || slices.Contains(left, path.Clean(source)) {
				t.Errorf("deploy/Dockerfile copies %s, which is not there: %v", source, err)
			}
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if version == nil || !strings.HasPrefix(build.base, "golang:"+version[1]+"-") {
		t.Errorf("deploy/Dockerfile builds with %s, go.mod wants Go %s", build.base, version)
	}
	made := strings.Join(build.all("RUN"), "\n")
	copied := strings.Fields(final.last(t, "COPY"))
	if len(copied) != 3 || copied[0] != "--from="+build.name || !strings.Contains(made, "mkdir "+path.Clean(copied[1])) {
		t.Fatalf("deploy/Dockerfile: the image copies %q, the build makes\n%s", copied, made)
	}
	for _, file := range []string{"bin/chatbell", ".cache/engine/libchdb.so"} {
		if !regexp.MustCompile(`cp (-L )?` + regexp.QuoteMeta(file) + " " + copied[1]).MatchString(made) {
			t.Errorf("deploy/Dockerfile: %s does not get into the image", file)
		}
	}
	if program := final.list(t, "ENTRYPOINT"); len(program) != 1 || program[0] != path.Join(copied[2], "chatbell") {
		t.Errorf("deploy/Dockerfile starts %q, but copies to %s", program, copied[2])
	}
	prepared := strings.Join(final.all("RUN"), "\n")
	for _, need := range []string{"ca-certificates", "tzdata"} {
		if !strings.Contains(prepared, need) {
			t.Errorf("deploy/Dockerfile: the image has no %s", need)
		}
	}
	user := final.last(t, "USER")
	if user == "root" || user == "0" || !regexp.MustCompile(`useradd .*--uid [1-9]\d* .*\b`+regexp.QuoteMeta(user)+`\b`).MatchString(prepared) {
		t.Errorf("deploy/Dockerfile: the image runs as %q, which it does not make", user)
	}
}

// settings are what the image's command sets, by flag.
func (img *image) settings(t *testing.T) map[string]string {
	t.Helper()
	command := img.stages[1].list(t, "CMD")
	if command[0] != "serve" || len(command)%2 != 1 {
		t.Fatalf("deploy/Dockerfile runs %q", command)
	}
	flags := map[string]string{}
	for i := 1; i < len(command); i += 2 {
		flags[strings.TrimPrefix(command[i], "--")] = command[i+1]
	}
	return flags
}

// composition is deploy/compose.yaml; a key that is not here is a mistake, or new.
type composition struct {
	Services map[string]struct {
		Build           struct{ Context, Dockerfile string }
		Image, Restart  string
		StopGracePeriod time.Duration `yaml:"stop_grace_period"`
		Init            bool
		ReadOnly        bool `yaml:"read_only"`
		Tmpfs           []string
		CapDrop         []string `yaml:"cap_drop"`
		SecurityOpt     []string `yaml:"security_opt"`
		Ulimits         struct{ Nofile int }
		Ports, Volumes  []string
		Environment     map[string]string
		Healthcheck     struct {
			Test              []string
			Interval, Timeout time.Duration
			StartPeriod       time.Duration `yaml:"start_period"`
		}
	}
	Volumes map[string]any
}

// The compose file names what exists: the Dockerfile, its ports and volume, keys of the
// configuration; and it gives a stop the time that it may take.
func TestConventionsCompose(t *testing.T) {
	var file composition
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(read(t, "deploy/compose.yaml"))))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	service, ok := file.Services["chatbell"]
	if !ok || len(file.Services) != 1 {
		t.Fatalf("deploy/compose.yaml has the services %v", file.Services)
	}
	if _, err := os.Stat(path.Join("deploy", service.Build.Context, service.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	img := readImage(t)
	flags := img.settings(t)
	var env []string
	for name, value := range service.Environment {
		env = append(env, name+"="+value)
	}
	cfg, err := config.Load(config.Options{Env: env, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	exposed := strings.Fields(img.stages[1].last(t, "EXPOSE"))
	listens := []string{port(t, cfg.Listen), port(t, cfg.ClickHouseListen)}
	if !slices.Equal(exposed, listens) {
		t.Errorf("deploy/Dockerfile exposes %v, the server listens at %v", exposed, listens)
	}
	for _, published := range service.Ports {
		parts := strings.Split(published, ":")
		if len(parts) != 3 || parts[0] != "127.0.0.1" || !slices.Contains(exposed, parts[2]) {
			t.Errorf("deploy/compose.yaml publishes %s; want an exposed port, on loopback", published)
		}
	}
	if check := strings.Join(service.Healthcheck.Test, " "); !strings.Contains(check, "/dev/tcp/127.0.0.1/"+listens[0]) || !strings.Contains(check, "/readyz") {
		t.Errorf("deploy/compose.yaml asks for the health with %s", check)
	}
	for _, mounted := range service.Volumes {
		name, where, _ := strings.Cut(mounted, ":")
		if _, ok := file.Volumes[name]; !ok || where != flags["data"] || where != img.stages[1].last(t, "VOLUME") {
			t.Errorf("deploy/compose.yaml mounts %s; the data is in %s", mounted, flags["data"])
		}
	}
	if service.StopGracePeriod <= cfg.ShutdownTimeout {
		t.Errorf("deploy/compose.yaml gives a stop %v, which may take %v", service.StopGracePeriod, cfg.ShutdownTimeout)
	}
	unit := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(read(t, "deploy/systemd/chatbell.service"))
	if unit == nil {
		t.Fatal("deploy/systemd/chatbell.service has no TimeoutStopSec")
	}
	if patience, err := time.ParseDuration(unit[1] + "s"); err != nil || patience <= cfg.ShutdownTimeout {
		t.Errorf("deploy/systemd/chatbell.service gives a stop %s s, which may take %v (%v)", unit[1], cfg.ShutdownTimeout, err)
	}
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
