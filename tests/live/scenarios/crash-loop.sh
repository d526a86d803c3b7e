# The app ends with 1 at once; it works once /state/ok exists.
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: state, hostPath: {path: $state, type: Directory}}]
  containers:
  - name: app
    image: registry.test/busybox:1
    command: [sh, -c, "test -e /state/ok || { echo 'fatal: cannot open /state/ok' >&2; exit 1; }; echo ready; sleep 3600"]
    volumeMounts: [{name: state, mountPath: /state}]
END
}
fix() { in_node touch "$state/ok"; }
