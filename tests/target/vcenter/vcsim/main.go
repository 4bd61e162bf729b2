// govmomi's vCenter simulator with its REST interface, on a free port with TLS.
// Prints its address, its certificate (PEM) and "ready"; ends when stdin does.
package main

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	model := simulator.VPX()
	if err := model.Create(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0"}
	model.Service.TLS = new(tls.Config)
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	fmt.Println(server.URL.Host)
	certificate := pem.Block{Type: "CERTIFICATE", Bytes: server.TLS.Certificates[0].Certificate[0]}
	os.Stdout.Write(pem.EncodeToMemory(&certificate))
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	server.Close()
	model.Remove()
}
