# An environment variable comes from a ConfigMap that does not exist yet.
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: registry.test/busybox:1
    command: [sh, -c, "echo ready; sleep 3600"]
    env: [{name: MODE, valueFrom: {configMapKeyRef: {name: web-settings, key: mode}}}]
END
}
fix() { kc -n "$name" create configmap web-settings --from-literal=mode=fast; }
