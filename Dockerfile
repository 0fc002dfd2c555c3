# One image for every process of the product; the compose file says which one a container is.
FROM python:3.13-slim AS packages
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements requirements
COPY zhongtai/bootstrap.py zhongtai/bootstrap.py
# the same locked, hashed installation as `make up`
RUN ZHONGTAI_VENV=/venv python -I zhongtai/bootstrap.py production

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 zhongtai && install --directory --owner zhongtai /app/state
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER zhongtai
EXPOSE 8080
CMD ["python", "-m", "zhongtai", "web"]
