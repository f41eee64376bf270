FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY mappings mappings
COPY profiles profiles
COPY conformance conformance
RUN python -m venv /opt/gapura && /opt/gapura/bin/pip install --no-cache-dir .

FROM python:3.12-slim
COPY --from=build /opt/gapura /opt/gapura
RUN useradd --create-home --uid 10001 gapura && install -d -o gapura /var/lib/gapura
USER gapura
ENV PATH=/opt/gapura/bin:$PATH GAPURA_HOME=/var/lib/gapura GAPURA_HOST=0.0.0.0
VOLUME /var/lib/gapura
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["gapura"]
CMD ["serve"]
