# docker build .                    the service
# docker build --build-arg LOCK=requirements-otel.lock .    ... that can send traces
# docker build --target standin .   the stand-in for the API
#
# What is installed comes from the locks, each file by its hash. Bytecode is compiled here and taken
# as it is (unchecked-hash): where nothing can be written, Python would compile at every start.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ARG LOCK=requirements.lock
COPY requirements-build.lock ${LOCK} ./
# No pip in the environment that is shipped: the image's own fills it from outside.
RUN pip install --no-cache-dir --root-user-action ignore --require-hashes -r requirements-build.lock \
 && python -m venv --without-pip /opt/profile-sync \
 && pip --python /opt/profile-sync/bin/python install --no-cache-dir --no-compile \
      --require-hashes -r "${LOCK}"
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/profile-sync/bin/python install --no-cache-dir --no-compile \
      --no-deps --no-index dist/*.whl \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/profile-sync/lib

FROM ${PYTHON_IMAGE} AS standin-build
WORKDIR /srv
COPY requirements-standin.lock /opt/
RUN python -m venv --without-pip /opt/standin \
 && pip --python /opt/standin/bin/python install --no-cache-dir --no-compile \
      --require-hashes -r /opt/requirements-standin.lock
COPY tests/__init__.py ./tests/
COPY tests/standin ./tests/standin
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/standin/lib /srv

# Python without pip, and without what could bring it back.
FROM ${PYTHON_IMAGE} AS runtime
RUN pip uninstall --yes --root-user-action ignore pip \
 && stdlib=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
 && rm -r "${stdlib}/ensurepip" \
 && python -m compileall -q --invalidation-mode unchecked-hash "${stdlib}"
ENV PYTHONUNBUFFERED=1
USER 65532:65532

FROM runtime AS standin
WORKDIR /srv
COPY --from=standin-build /opt/standin /opt/standin
COPY --from=standin-build /srv /srv
ENV PATH=/opt/standin/bin:$PATH
EXPOSE 8080
ENTRYPOINT ["python", "-m", "tests.standin", "--host", "0.0.0.0", "--port", "8080"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="profile-sync-standin" \
      org.opencontainers.image.description="Plays Copernica's API, for tests of profile-sync." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS service
COPY --from=build /opt/profile-sync /opt/profile-sync
ENV PATH=/opt/profile-sync/bin:$PATH
EXPOSE 8000
# For engines that look at it: Kubernetes asks /livez and /readyz itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["profile-sync", "probe"]
ENTRYPOINT ["profile-sync"]
CMD ["run"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="profile-sync" \
      org.opencontainers.image.description="Profile-update events from RabbitMQ become Copernica API calls; the returned profiles are published back." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
