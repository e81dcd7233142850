package main

import (
	"encoding/json"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/testenv/world"
)

// drillServer offers the world's switches to the console.
type drillServer struct {
	listener net.Listener
	server   *http.Server
	world    atomic.Pointer[world.World]
}

type drillSwitch struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	On    bool   `json:"on"`
}

func newDrill() (*drillServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &drillServer{listener: listener}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /switches", d.list)
	mux.HandleFunc("POST /switches/{name}", d.set)
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = d.server.Serve(listener) }() // it ends when close is called
	return d, nil
}

func (d *drillServer) url() string { return "http://" + d.listener.Addr().String() }

func (d *drillServer) close() { _ = d.server.Close() }

func (d *drillServer) list(w http.ResponseWriter, _ *http.Request) {
	all := []drillSwitch{}
	if running := d.world.Load(); running != nil {
		for _, name := range running.Config.Sites {
			all = append(all, drillSwitch{"line-" + name, "line of " + name, !running.Sites[name].Line.IsCut()})
			all = append(all, drillSwitch{"agent-" + name, "agent of " + name, running.Sites[name].Agent.Running()})
		}
		all = append(all, drillSwitch{"erp", "ERP", running.ERP.Running()}, drillSwitch{"crm", "CRM", running.CRMHTTP.Running()})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all)
}

func (d *drillServer) set(w http.ResponseWriter, r *http.Request) {
	running, name, on := d.world.Load(), r.PathValue("name"), r.FormValue("on") == "true"
	if running == nil {
		http.Error(w, "the world is still starting", http.StatusServiceUnavailable)
		return
	}
	for _, site := range running.Sites {
		switch name {
		case "line-" + site.Name:
			site.Line.Cut(!on)
			return
		case "agent-" + site.Name:
			if !on {
				site.Agent.Kill()
			} else if err := site.Agent.Start(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
	}
	for key, server := range map[string]interface {
		Start() error
		Stop()
	}{"erp": running.ERP, "crm": running.CRMHTTP} {
		if key != name {
			continue
		}
		if err := patiently(func() error {
			if on {
				return server.Start()
			}
			server.Stop()
			return nil
		}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	http.Error(w, "no such switch", http.StatusNotFound)
}

// patiently does something and returns what became of it, or nothing where that takes longer than a console waits, as the start of a real
// ERP may: the list shows when it is up.
func patiently(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(3 * time.Second):
		return nil
	}
}
