package link

import (
	"fmt"
	"net"
	"os"
	"testing"

	"skiff/netsetup/plan"
)

// TestListsOfABusyHost: devices come and go while others are listed, which the
// kernel notices.
func TestListsOfABusyHost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	ns, err := NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	err = ns.Do(func() error {
		for i := range 80 { // more than one message of the kernel's
			if err := ns.Conn().Bridge(plan.Bridge{Name: fmt.Sprintf("b%d", i), MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}}, func() error { return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- ns.Do(func() error { return comeAndGo(stop) }) }()
	for range 300 {
		if _, err := ns.Conn().dump(); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func comeAndGo(stop <-chan struct{}) error {
	c, err := Open()
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := c.Bridge(plan.Bridge{Name: "guest", MAC: net.HardwareAddr{2, 0, 0, 0, 1, 0}}, func() error { return nil }); err != nil {
			return err
		}
		if err := c.Delete("guest"); err != nil {
			return err
		}
	}
}
