# A log shipper as a sidecar: config-init writes fluent.conf into a volume that the shipper mounts elsewhere than it looks.
# The fix is another pod: the incident ends with its own, and names it.
path=/etc/fluentd/conf
objects() { cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 1
      volumes:
      - {name: config, emptyDir: {}}
      initContainers:
      - name: config-init
        image: registry.test/busybox:1
        command: [sh, -c, "printf '<source>\\\\n  @type tail\\\\n</source>\\\\n' > /tmp/fluentd/fluent.conf; echo wrote /tmp/fluentd/fluent.conf"]
        volumeMounts: [{name: config, mountPath: /tmp/fluentd}]
      containers:
      - name: app
        image: registry.test/busybox:1
        command: [sh, -c, "echo serving; sleep 3600"]
      - name: fluentd
        image: registry.test/busybox:1
        command:
        - sh
        - -c
        - |
          stamp() { date -u '+%Y-%m-%d %H:%M:%S +0000'; }
          echo "\$(stamp) [info]: init supervisor logger path=nil rotate_age=nil rotate_size=nil"
          conf=/fluentd/etc/fluent.conf
          if ! cat "\$conf" > /dev/null 2>&1; then
            echo "\$(stamp) [error]: config error file=\"\$conf\" error_class=Errno::ENOENT error=\"No such file or directory @ rb_sysopen - \$conf\"" >&2
            exit 1
          fi
          echo "\$(stamp) [info]: fluentd worker is now running worker=0"
          sleep 3600
        volumeMounts: [{name: config, mountPath: $path}]
END
}
fix() { path=/fluentd/etc; objects | kc -n "$name" apply -f -; }
