plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.example.push"
    compileSdk = 35
    defaultConfig {
        applicationId = "org.example.push"
        minSdk = 24
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
        // 10.0.2.2 is the machine that runs the emulator.
        buildConfigField("String", "PUSH_URL", "\"http://10.0.2.2:21314\"")
        buildConfigField("String", "PUSH_NAMESPACE", "\"/demo\"")
    }
    buildFeatures { buildConfig = true }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }
}

dependencies {
    implementation("androidx.core:core-ktx:1.15.0")
    implementation("io.socket:socket.io-client:2.1.1") {
        exclude(group = "org.json", module = "json") // Android has it
    }
}
