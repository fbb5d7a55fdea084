package chaos

import "fmt"

// URL is where User logs in to node i, from 0, in the virtual host "/".
func (r *RabbitMQ) URL(i int) string { return r.nodes[i].url(User, Password, "") }

// TLSURL is the same with TLS, of a cluster of one node.
func (r *RabbitMQ) TLSURL() string {
	return fmt.Sprintf("amqps://%s:%s@127.0.0.1:%d/", User, Password, r.tlsPort)
}

// guestURL is where one logs in whom no fault concerns.
func (r *RabbitMQ) guestURL(i int) string { return r.nodes[i].url("guest", "guest", "") }

// VHostURL is the same in another virtual host.
func (r *RabbitMQ) VHostURL(i int, vhost string) string { return r.nodes[i].url(User, Password, vhost) }

// Kill kills node i, as kill -9 does, and returns when it is gone.
func (r *RabbitMQ) Kill(i int) { r.nodes[i].process.kill() }

// Stop has node i end in good order, and returns when it is gone.
func (r *RabbitMQ) Stop(i int) error {
	n := r.nodes[i]
	if err := r.ctl(n, "stop"); err != nil {
		return err
	}
	<-n.process.ended
	return nil
}

// CloseConnections has the broker close every client connection.
func (r *RabbitMQ) CloseConnections() error { return r.Ctl("close_all_connections", "chaos") }

// SetPassword changes what User must say from now on; who is logged in stays so.
func (r *RabbitMQ) SetPassword(password string) error {
	return r.Ctl("change_password", User, password)
}

// WithdrawRights leaves User without any right in "/", not even to log in there.
func (r *RabbitMQ) WithdrawRights() error { return r.Ctl("clear_permissions", "-p", "/", User) }

// GiveRights gives User every right in "/".
func (r *RabbitMQ) GiveRights() error {
	return r.Ctl("set_permissions", "-p", "/", User, ".*", ".*", ".*")
}

// WithdrawPublishing leaves User the rights to consume and to settle, and takes those to publish
// and to declare. A channel keeps the rights that it has used, so the connections that publish are
// closed.
func (r *RabbitMQ) WithdrawPublishing() error {
	if err := r.Ctl("set_permissions", "-p", "/", User, "^$", "^$", ".*"); err != nil {
		return err
	}
	const publishes = `[rabbit_networking:close_connection(P, "rights withdrawn") || ` +
		`[{pid, P}, {user, <<"` + User + `">>}, {client_properties, Client}] <- ` +
		`rabbit_networking:connection_info_all([pid, user, client_properties]), ` +
		`{<<"connection_name">>, _, Name} <- Client, binary:match(Name, <<"publisher">>) =/= nomatch].`
	return r.Ctl("eval", publishes)
}

// SetSizeLimit bounds the bodies that are taken from publishers, by channels that are opened from
// now on.
func (r *RabbitMQ) SetSizeLimit(bytes int) error {
	return r.Ctl("eval", fmt.Sprintf( // 3.10 reads the first, 4.x the second
		"application:set_env(rabbit, max_message_size, %d), persistent_term:put(max_message_size, %d).", bytes, bytes))
}

// Drain puts node i into maintenance: it closes its clients' connections, takes no others, and
// hands over what it leads. Revive ends that.
func (r *RabbitMQ) Drain(i int) error { return r.upgrade(i, "drain") }

// Revive ends what Drain has begun.
func (r *RabbitMQ) Revive(i int) error { return r.upgrade(i, "revive") }

func (r *RabbitMQ) upgrade(i int, verb string) error {
	return r.run("rabbitmq-upgrade", r.nodes[i], verb)
}

// AddVHost makes a virtual host in which User may do everything.
func (r *RabbitMQ) AddVHost(name string) error {
	if err := r.Ctl("add_vhost", name); err != nil {
		return err
	}
	return r.Ctl("set_permissions", "-p", name, User, ".*", ".*", ".*")
}

// DeleteVHost deletes a virtual host with all that is in it.
func (r *RabbitMQ) DeleteVHost(name string) error { return r.Ctl("delete_vhost", name) }

// SetMemoryAlarm raises the memory alarm, or clears it: the broker stops to read from those who
// publish.
func (r *RabbitMQ) SetMemoryAlarm(on bool) error {
	limit := "4GB"
	if on {
		limit = "1MB"
	}
	return r.Ctl("set_vm_memory_high_watermark", "absolute", limit)
}

// SetDiskAlarm is the same for the disk.
func (r *RabbitMQ) SetDiskAlarm(on bool) error {
	limit := "50MB"
	if on {
		limit = "1000000000000000"
	}
	return r.Ctl("set_disk_free_limit", limit)
}

// SetPolicy sets a policy for the queues of "/" whose names match the pattern. The definition is
// JSON.
func (r *RabbitMQ) SetPolicy(name, pattern, definition string) error {
	return r.Ctl("set_policy", "--apply-to", "queues", name, pattern, definition)
}

// ClearPolicy takes it back.
func (r *RabbitMQ) ClearPolicy(name string) error { return r.Ctl("clear_policy", name) }

// String names the cluster.
func (r *RabbitMQ) String() string { return fmt.Sprintf("RabbitMQ, %d nodes", len(r.nodes)) }
