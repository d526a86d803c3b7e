# The disk of the kubelet has no inode left while a pod is created.
before() { in_node perl -e 'mkdir "/var/lib/kubelet/filler"; for (my $i = 0; ; $i++) { open my $f, ">", "/var/lib/kubelet/filler/$i" or last }'; }
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  nodeName: $NODE_NAME
  tolerations: [{operator: Exists}]
  containers:
  - name: app
    image: registry.test/busybox:1
    command: [sh, -c, "echo ready; sleep 3600"]
END
}
fix() { in_node rm -rf /var/lib/kubelet/filler; }
