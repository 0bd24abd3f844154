ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
# No pip in the environment that is shipped: the image's own pip fills it from outside.
RUN python -m venv --without-pip /opt/profile-sync
COPY requirements.lock ./
RUN pip --python /opt/profile-sync/bin/python install \
      --no-cache-dir --compile --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
RUN pip --python /opt/profile-sync/bin/python install --no-cache-dir --compile --no-deps .

FROM ${PYTHON_IMAGE} AS standin-build
RUN python -m venv --without-pip /opt/standin
COPY requirements-standin.lock ./
RUN pip --python /opt/standin/bin/python install \
      --no-cache-dir --compile --require-hashes -r requirements-standin.lock

# The stand-in for the API: docker build --target standin
FROM ${PYTHON_IMAGE} AS standin
WORKDIR /srv
COPY --from=standin-build /opt/standin /opt/standin
COPY tests/__init__.py ./tests/
COPY tests/standin ./tests/standin
ENV PATH=/opt/standin/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "tests.standin", "--host", "0.0.0.0", "--port", "8080"]

# The last target is what `docker build` makes without a word.
FROM ${PYTHON_IMAGE} AS service
COPY --from=build /opt/profile-sync /opt/profile-sync
ENV PATH=/opt/profile-sync/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8000
ENTRYPOINT ["profile-sync"]
CMD ["run"]
