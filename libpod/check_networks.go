package libpod

import (
	"context"
	"slices"

	"skiff/rootfs/layer"
)

// checkNetworks looks for what containers that do not run have left on the host
// beside the bridges' ports: published ports in the firewall, devices that lost
// their bridge, and a bridge that lost its record.
func (e *Engine) checkNetworks(CheckOptions) ([]Finding, error) {
	if e.Rootless() {
		return nil, nil
	}
	nets := e.Networks()
	var found []Finding
	addrs, err := nets.StrayForwards()
	if err != nil {
		return nil, err
	}
	for _, ip := range addrs {
		found = append(found, Finding{Thing: "published ports to " + ip.String(), What: "rules of the firewall for no running container", repair: func(context.Context) error {
			return nets.ForgetForwards(ip)
		}})
	}
	ids, err := e.Store.IDs()
	if err != nil {
		return found, err
	}
	idle := slices.DeleteFunc(ids, func(id string) bool { return e.inUse(id) || e.toRepair(id) })
	links, err := nets.StrayLinks(idle)
	if err != nil {
		return found, err
	}
	for _, dev := range links {
		found = append(found, Finding{Thing: "link " + dev, What: "one of a container that does not run", repair: func(context.Context) error {
			return nets.DeleteLink(dev)
		}})
	}
	bridge, err := nets.StrayBridge()
	if bridge != "" {
		found = append(found, Finding{Thing: "bridge " + bridge, What: "one of no network", repair: func(context.Context) error {
			return nets.DeleteBridge(bridge)
		}})
	}
	return found, err
}

// checkCopies looks for copies of layers whose layer is gone.
func (e *Engine) checkCopies(opt CheckOptions) ([]Finding, error) {
	if opt.Quick {
		return nil, nil
	}
	gone, err := layer.OrphanedCopies(e.Roots.ShiftedLayers())
	var found []Finding
	for _, name := range gone {
		found = append(found, Finding{Thing: "copy of a layer " + short(name), What: "one of a layer that is gone", repair: func(ctx context.Context) error {
			_, err := e.pruneShifted(ctx)
			return err
		}})
	}
	return found, err
}
