# The app asks for more memory than its limit; once /state/small exists, it asks for little.
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: cache}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: state, hostPath: {path: $state, type: Directory}}]
  containers:
  - name: app
    image: registry.test/busybox:1
    command: [sh, -c, "echo filling the cache; sleep 2; test -e /state/small || exec tail /dev/zero; echo ready; sleep 3600"]
    resources: {limits: {memory: 24Mi}}
    volumeMounts: [{name: state, mountPath: /state}]
END
}
fix() { in_node touch "$state/small"; }
