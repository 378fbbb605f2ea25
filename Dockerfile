# A service of an exported model: docker build -t interests . && docker run -p 127.0.0.1:8000:8000 -v "$PWD/exports:/exports:ro" interests
FROM python:3.11-slim

RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 service
WORKDIR /home/service/app

COPY pyproject.toml README.md ./
COPY requirements/extras.txt requirements/
RUN pip install --no-cache-dir --constraint requirements/extras.txt '.[serve]'
COPY models models
COPY tools tools

USER service
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
# The folder above the export is mounted, not the export: a new one that is put in its place would not be seen.
ENTRYPOINT ["python", "-m", "tools.serve", "/exports/export", "--host", "0.0.0.0", "--port", "8000"]
CMD ["--watch"]
