package collector

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/console"
)

// handler serves what people and programs ask for.
func (m *Collector) handler() (http.Handler, error) {
	token := ""
	if m.config.HTTP.TokenFile != "" {
		text, err := os.ReadFile(m.config.Path(m.config.HTTP.TokenFile))
		if err != nil {
			return nil, fmt.Errorf("http.token_file: %w", err)
		}
		// No token would open everything to everybody.
		if token = strings.TrimSpace(string(text)); token == "" {
			return nil, fmt.Errorf("http.token_file: %s is empty; write the token into it", m.config.Path(m.config.HTTP.TokenFile))
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", &healthz{well: m.db.Well, log: m.log})
	mux.Handle("/api/", api.New(api.Config{DB: m.db, Token: token, OfflineAfter: m.config.MQTT.OfflineAfter, Log: m.log.With("part", "api")}))
	mux.Handle("/", console.New(console.Config{DB: m.db, Token: token, OfflineAfter: m.config.MQTT.OfflineAfter, Drill: m.config.Console.Drill, Log: m.log.With("part", "console")}))
	return mux, nil
}
