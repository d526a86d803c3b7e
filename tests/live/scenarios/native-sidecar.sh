# A native sidecar does not pass its startup probe until /state/ready exists, so main does not start.
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: state, hostPath: {path: $state, type: Directory}}]
  initContainers:
  - name: proxy
    image: registry.test/busybox:1
    restartPolicy: Always
    command: [sh, -c, "echo proxy starting; sleep 3600"]
    startupProbe: {exec: {command: [cat, /state/ready]}, periodSeconds: 2, failureThreshold: 4}
    volumeMounts: [{name: state, mountPath: /state}]
  containers:
  - name: main
    image: registry.test/busybox:1
    command: [sh, -c, "echo ready; sleep 3600"]
END
}
fix() { in_node touch "$state/ready"; }
