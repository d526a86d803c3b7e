# The CNI configuration is gone while a pod is created; it comes back.
node_root=$NODE_HOME/root
conflist=$node_root/etc/cni/net.d/10-bridge.conflist
before() { cp "$conflist" "$keep/"; rm "$conflist"; sleep 3; }
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  containers:
  - name: app
    image: registry.test/busybox:1
    command: [sh, -c, "echo ready; sleep 3600"]
END
}
# Copied, not moved: containerd reloads on a write and ignores the creation of a file.
fix() { cp "$keep/${conflist##*/}" "$conflist"; }
