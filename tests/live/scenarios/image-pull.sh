# The registry answers that it has no such image.
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: localhost:5000/shop/web:2.0
    command: [sh, -c, "echo ready; sleep 3600"]
END
}
fix() { kc -n "$name" set image pod/web app=registry.test/busybox:1; }
