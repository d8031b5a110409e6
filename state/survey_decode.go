package state

import (
	"encoding/json"
	"strconv"

	"skiff/state/jsonfile"
)

// decodeListed decodes the fields of a config that lists show or choose by. A
// thousand configs are a megabyte, most of it capabilities, limits and
// environments: those are passed over (see unlisted), what is in nearly every
// config is decoded here, and the rest is left to encoding/json.
func (r *SurveyReader) decodeListed(data []byte, cfg *Config) bool {
	r.rest = r.rest[:0]
	whole := jsonfile.Members(data, func(name, value []byte) bool {
		switch string(name) {
		case "version":
			return number(value, &cfg.Version)
		case "id":
			return jsonfile.Text(value, &cfg.ID)
		case "name":
			return jsonfile.Text(value, &cfg.Name)
		case "created":
			return cfg.Created.UnmarshalJSON(value) == nil
		case "image":
			return decodeImageRef(value, &cfg.Image)
		case "process":
			return decodeArgs(value, &cfg.Process)
		case "network":
			return decodeNetwork(value, &cfg.Network)
		case "restart":
			return decodeRestart(value, &cfg.Restart)
		case "healthcheck":
			cfg.Healthcheck = &Healthcheck{} // lists ask whether there is one
			return true
		}
		if !unlisted(string(name)) {
			r.keep(name, value)
		}
		return true
	})
	return whole && r.decodeRest(cfg)
}

// unlisted are the members of a config that no list shows; of the process it is
// all but the argument vector.
func unlisted(name string) bool {
	switch name {
	case "createCommand", "hostname", "domainname", "readOnly", "readOnlyTmpfs", "shmSize", "namespaces",
		"resources", "security", "devices", "ulimits", "sysctls", "log", "notify",
		"cgroupManager", "cgroupParent", "runtime", "extras", "idMaps", "noHealthcheck":
		return true
	}
	return false
}

// decodeStatus decodes a status of a container that has ended.
func (r *SurveyReader) decodeStatus(data []byte, st *Status) bool {
	r.rest = r.rest[:0]
	whole := jsonfile.Members(data, func(name, value []byte) bool {
		switch string(name) {
		case "version":
			return number(value, &st.Version)
		case "bootId":
			return jsonfile.Text(value, &st.BootID)
		case "phase":
			return decodePhase(value, &st.Phase)
		case "startedAt":
			return st.StartedAt.UnmarshalJSON(value) == nil
		case "finishedAt":
			return st.FinishedAt.UnmarshalJSON(value) == nil
		case "exitCode":
			return number(value, &st.ExitCode)
		}
		r.keep(name, value)
		return true
	})
	return whole && r.decodeRest(st)
}

// keep leaves a member to encoding/json.
func (r *SurveyReader) keep(name, value []byte) {
	sep := byte(',')
	if len(r.rest) == 0 {
		sep = '{'
	}
	r.rest = append(append(r.rest, sep, '"'), name...)
	r.rest = append(append(r.rest, '"', ':'), value...)
}

func (r *SurveyReader) decodeRest(v any) bool {
	return len(r.rest) == 0 || json.Unmarshal(append(r.rest, '}'), v) == nil
}

func decodeImageRef(data []byte, ref *ImageRef) bool {
	return jsonfile.Members(data, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			return jsonfile.Text(value, &ref.ID)
		case "name":
			return jsonfile.Text(value, &ref.Name)
		}
		return true
	})
}

func decodeArgs(data []byte, p *Process) bool {
	return jsonfile.Members(data, func(name, value []byte) bool {
		switch string(name) {
		case "entrypoint":
			return jsonfile.Texts(value, &p.Entrypoint)
		case "cmd":
			return jsonfile.Texts(value, &p.Cmd)
		}
		return true
	})
}

// decodeNetwork is quick where there is nothing but a mode.
func decodeNetwork(data []byte, n *Network) bool {
	quick := jsonfile.Members(data, func(name, value []byte) bool {
		return string(name) == "mode" && jsonfile.Text(value, &n.Mode)
	})
	return quick || json.Unmarshal(data, n) == nil
}

func decodeRestart(data []byte, p *RestartPolicy) bool {
	quick := jsonfile.Members(data, func(name, value []byte) bool {
		return string(name) == "name" && jsonfile.Text(value, &p.Name)
	})
	return quick || json.Unmarshal(data, p) == nil
}

func decodePhase(value []byte, p *Phase) bool {
	for _, known := range []Phase{Exited, Created, Running, Paused, Restarting, Initialized, Dead} {
		if len(value) == len(known)+2 && value[0] == '"' && string(value[1:len(value)-1]) == string(known) {
			*p = known
			return true
		}
	}
	return json.Unmarshal(value, p) == nil
}

func number(value []byte, dst *int) bool {
	n, err := strconv.Atoi(string(value))
	*dst = n
	return err == nil
}
